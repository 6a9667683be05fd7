"""The verbs that look at what is going on in repositories: status and top, by their files and by the system's
processes, and doctor."""
