"""The commands of pgqadm, one function each."""
