"""The program itself on its way: published at the hub, offered to boxes, fetched by them. Installing is `ops`' matter."""
