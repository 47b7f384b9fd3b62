# tune of tune.mem, written by `planner export --to torchtitan`: the same lock, the same file.
# lock      5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed (planner 0.2.0)
# for       torchtitan on 16 x h100_sxm
# offer     verda/FIN-02/1H100.80S.32V, on_demand, 1 of it
# model     meta-llama/Llama-3.1-8B; the learning rate and the data are the script's
# start     16 processes on 1 machine
# command   torchrun … -m torchtitan.train --module MODULE --config CONFIG "${options[@]}"
# add       the learning rate, the data, and the checkpoint to begin with
options=(
  --training.local-batch-size 1
  --training.global-batch-size 16
  --training.seq-len 8192
  --training.steps 763
  --training.dtype float32
  --training.mixed-precision-param bfloat16
  --loss.num-chunks 8
  --optimizer.implementation fused
  --parallelism.data-parallel-replicate-degree 2
  --parallelism.data-parallel-shard-degree 8
  --parallelism.fsdp-reshard-after-forward always
  --parallelism.tensor-parallel-degree 1
  --parallelism.pipeline-parallel-degree 1
  --parallelism.context-parallel-degree 1
  --parallelism.expert-parallel-degree 1
  --training.no-enable-cpu-offload
  --compile.no-enable
  --training.disable-cuda-graphs
  --parallelism.enable-sequence-parallel
  --training.mixed-precision-reduce float32
  activation-checkpoint:selective
)
