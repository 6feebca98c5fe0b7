"""What `freshet doctor` looks at: each module asks one part for facts, and judges them by functions that ask nobody."""
