"""git over HTTP beside the API: finding out what is asked, and having git's own `git http-backend` answer it.

Nothing here speaks git's protocol: requests and answers pass through, in the kernel where that is possible. Rules and
repositories are those of the API.
"""
