"""How guests are reached: ssh identity, known hosts, jump, and the checks over it."""
