"""Many runs, and what they say together: auto, the value of labels, simulations, tables of papers, the demo."""
