"""The strategies: what each chooses by, with the paper that it is from."""
