"""The portal's HTTP API: the same facts as the pages, for programs."""
