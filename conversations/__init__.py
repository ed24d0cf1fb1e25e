"""The team of agents, the session runtime, resume and transcripts."""
