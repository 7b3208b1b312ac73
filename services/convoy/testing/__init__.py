"""What tests of your own need; nothing that serves imports it.

memory_store.py   a store of galleries in the memory of this process
"""
