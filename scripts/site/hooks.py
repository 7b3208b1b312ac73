"""Adds the pages that the site takes from the code while mkdocs builds it: commands, RPCs and the Python client."""

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

from client_page import write_client
from command_page import write_commands
from grpc_page import write_rpcs


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those of docs/."""
    root = Path(config.config_file_path).parent
    pages = {
        "reference/commands.md": write_commands(),
        "reference/grpc.md": write_rpcs(root),
        "reference/python.md": write_client(),
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files
