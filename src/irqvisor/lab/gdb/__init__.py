"""gdb attached to a machine: the remote protocol, threads that are vCPUs, and time that also runs backwards.

`packets` frames bytes, `registers` describes the processor, `timeline` runs the machine forwards and back, `session`
answers gdb's packets, `monitor` its monitor commands, and `server` owns the socket.
"""
