"""`python -m arc_encoder train …` is `arc train …`, for torchrun, debuggers and machines without the scripts."""

from arc_encoder.commands.start import main

if __name__ == "__main__":
    main()
