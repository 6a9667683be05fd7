"""What is going on in repositories, as their files and the system's processes tell: for the verbs status and top."""
