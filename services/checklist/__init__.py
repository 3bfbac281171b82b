"""From "nothing is enforced" to "strict in production, proven": which step is next, and what proves it?"""
