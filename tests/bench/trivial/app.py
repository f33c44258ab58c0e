"""The function that costs nothing, and an authorizer that lets `ada` in: what is left is the gateway and the runtime."""


def handler(event, context):
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": "{}"}


def authorizer(event, context):
    effect = "Allow" if event.get("authorizationToken") == "ada" else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": "*"}
    return {"principalId": "ada", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, "context": {"user": "ada"}}
