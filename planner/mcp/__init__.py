"""The verbs as tools of an agent: plans as texts or paths, answers typed; only `server` and `results` need the SDK."""
