// serverless-offline at its best: JavaScript, in its own process.
exports.handler = async () => ({ statusCode: 200, headers: { 'Content-Type': 'application/json' }, body: '{}' })

exports.authorizer = async (event) => ({
  principalId: 'ada',
  policyDocument: {
    Version: '2012-10-17',
    Statement: [{ Action: 'execute-api:Invoke', Effect: event.authorizationToken === 'ada' ? 'Allow' : 'Deny', Resource: '*' }],
  },
  context: { user: 'ada' },
})
