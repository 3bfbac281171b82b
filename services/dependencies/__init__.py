"""What Greenlight watches: a folder for each kind of dependency."""
