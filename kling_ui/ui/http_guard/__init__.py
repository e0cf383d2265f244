"""What stands before Gradio's own routes: who may ask for what, from where, how much of it."""
