"""Guests: programs that run on a machine, and what they are told when they start.

`image` reads programs (ELF, raw bytes, and the ones bundled as package data); `devicetree` writes the description of a
machine that its guest finds in r3. The bundled guests' own sources are in ``guests/`` at the root of the repository.
"""
