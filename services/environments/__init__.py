"""Adding an environment to the settings without an editor: a draft, a trial of it, a preview, a write, undo."""
