#!/bin/bash
# tune of tune.mem, written by `planner export --to slurm`: the same lock, the same file.
# lock      5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed (planner 0.2.0)
# for       deepspeed on 8 x h100_sxm
# offer     verda/FIN-02/1H100.80S.32V, on_demand, 1 of it
# model     meta-llama/Llama-3.1-8B; the learning rate and the data are the script's
# start     8 processes on 1 machine
# submit    sbatch FILE SCRIPT OPTIONS, from the folder of tune.deepspeed.json
# written   by `planner export --to deepspeed`, which says what the script sets
#SBATCH --job-name=tune
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --mem=0
set -euo pipefail
leader="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)"
port=$((20000 + SLURM_JOB_ID % 10000))
export leader port
train() {
  torchrun \
    --nnodes 1 \
    --nproc-per-node 8 \
    --rdzv-backend c10d \
    --rdzv-id "$SLURM_JOB_ID" \
    --rdzv-endpoint "$leader:$port" \
    "$@" \
    --deepspeed \
    --deepspeed_config "$SLURM_SUBMIT_DIR"/tune.deepspeed.json
}
export -f train
srun --cpus-per-task="$SLURM_CPUS_ON_NODE" --kill-on-bad-exit=1 bash -c 'train "$@"' train "$@"
