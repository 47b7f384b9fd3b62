"""Result files of benchmarks and evaluations, as the tools write them."""
