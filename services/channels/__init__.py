"""Where messages go: addresses of channels, what each service takes, and the sending itself."""
