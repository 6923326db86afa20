"""Messages that runtimes are asked with, made by ``scripts/make-proto.sh`` from the .proto files here."""
