"""What services answer: small frozen values, each read from its protobuf message by the function beside it."""
