#!/bin/bash
# hosts of chat.mem, written by `planner export --to slurm`: the same lock, the same file.
# lock      5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed (planner 0.2.0)
# for       SGLang 0.5.23 on 16 x a40
# offer     aws/us-east-1/p5.48xlarge, on_demand, 2 of it
# submit    sbatch FILE; it serves until the partition's limit of time, or that of --time
#SBATCH --job-name=hosts
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --mem=0
set -euo pipefail
leader="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)"
port=$((20000 + SLURM_JOB_ID % 10000))
export leader port
serve() {
  sglang serve \
    --model-path meta-llama/Llama-3.1-8B-Instruct \
    --dtype bfloat16 \
    --kv-cache-dtype fp8_e4m3 \
    --context-length 8192 \
    --max-running-requests 256 \
    --chunked-prefill-size 2048 \
    --mem-fraction-static 0.92 \
    --tp-size 8 \
    --pp-size 2 \
    --ep-size 1 \
    --nnodes 2 \
    --host 0.0.0.0 \
    --port 30000 \
    --node-rank "$SLURM_NODEID" \
    --dist-init-addr "$leader:20000"
}
export -f serve
srun --cpus-per-task="$SLURM_CPUS_ON_NODE" --kill-on-bad-exit=1 bash -c serve
