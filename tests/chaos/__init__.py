"""A campaign against the whole stack: many requests, faults and killed hosts from a seed.

    python -m tests.chaos --seed 1 --requests 1000

What is sent, which faults are in force and when a host dies follows from the seed alone; how it
falls out in time does not. In the end the laws are checked from the vault's jobs, the tables, the
completion queue and the files.
"""
