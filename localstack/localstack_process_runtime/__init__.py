"""LocalStack plugin: Lambda functions as processes, and an API Gateway that enforces what it stores."""
