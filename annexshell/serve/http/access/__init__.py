"""Who a client is and what they may do: passwords, rules, other sites' pages, and proxies that are believed.

Answers yes or raises; it never sees what the request is about beyond the repository and the action.
"""
