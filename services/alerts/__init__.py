"""What somebody should know, and who is told: from what is judged already to messages in the outbox."""
