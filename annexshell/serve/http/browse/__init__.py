"""Pages for browsers about the files of repositories, at the urls by which git clones them.

What is shown is read by short-lived children of git, bounded in bytes and time. A link of a page is a query (`?path=…`)
and nothing else, so that it is right behind any proxy and no file can have the url of something else. Files of others
never run in the browser of who looks at them: images of a few kinds are shown, all else is only saved.
"""
