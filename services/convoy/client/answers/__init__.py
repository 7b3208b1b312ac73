"""What calls return: small frozen values. The function beside each reads it from its protobuf message."""
