"""Text and a draft in, edits to the draft out; and the planner of questions. Pure."""
