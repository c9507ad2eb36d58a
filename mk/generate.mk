# What is made from data when runsafe is built: the built-in policies as text, and our seccomp
# profile as BPF.
