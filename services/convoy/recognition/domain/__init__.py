"""What recognition speaks of: galleries, people, faces and their templates. Knows no store and no protobuf."""
