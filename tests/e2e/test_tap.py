#!/usr/bin/python3
"""The edge on the tap wire."""
import suite

suite.run("tap")
