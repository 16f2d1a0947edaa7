"""The audit of one asset: facts read with SQL, judged line by line, told in sections with one verdict."""
