"""The `fleet` command; one file a family of commands, `render_*` files for what people see."""
