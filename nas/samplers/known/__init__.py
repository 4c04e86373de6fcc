"""What is known before a search: other runs, wishes, scores without training, modules' worth."""
