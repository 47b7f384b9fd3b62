"""Plans that are right and yet hardly meant so: lints, what a plan allows of them, and fixes."""
