# What runs on Fargate: the image of the operations, and the authorities that sign RDS' own certificates, whom machines do not know.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
# hadolint ignore=DL3006  # it has just been built here, and is in no registry
FROM inventory-operations
ADD --chmod=444 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem /opt/inventory/rds-ca.pem
ENV DATABASE_CA_FILE=/opt/inventory/rds-ca.pem
