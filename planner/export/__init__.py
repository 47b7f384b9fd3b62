"""From a lock to what runs it: commands, manifests and configurations, the same bytes for the same lock.

`forms` lists the targets, `export` writes a workload for one of them. `engines` and `trainers` say how a setting is
called by a program, and what of an answer has no form there; `around` puts a server's command into what starts it.
"""
