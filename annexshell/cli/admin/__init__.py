"""annexshell, the administrator's command: one module for each verb, imported when the verb is called.

Verbs read their options and print; what they do is in the room `annexshell.admin`.
"""
