"""annexshell: the administrator's command. One module for each verb, imported when it is called."""
