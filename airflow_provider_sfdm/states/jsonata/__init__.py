"""JSONata: expressions, what an evaluation may take, and what Step Functions adds to the language and takes away."""
