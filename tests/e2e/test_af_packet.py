#!/usr/bin/python3
"""The edge on the af_packet wire."""
import suite

suite.run("af_packet")
