"""HTTP: what a request says, and how an answer looks. Nothing here decides."""
