"""The endpoints: for each the parameters of a request, one call of the Repository port, and the answer.

Knows requests and repositories. Who may ask is decided in `access`, and what is behind a repository is not known here.
"""
