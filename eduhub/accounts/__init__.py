"""People who sign in: credentials, sign-ins, roles with a scope and dates."""
