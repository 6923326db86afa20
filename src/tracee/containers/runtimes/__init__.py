"""The runtimes that can be asked, a file each; importing these files imports no library that they ask with."""
