"""What an editor asks about a plan, answered by the language's own tables; only `server` speaks the protocol."""
