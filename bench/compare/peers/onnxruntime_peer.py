"""ONNX Runtime: the batch is fixed before its graph optimisations, all of which are on; threads spin within a round."""
import onnxruntime


class Peer:
    version = "ONNX Runtime " + onnxruntime.__version__

    def __init__(self, job):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = job.threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_free_dimension_override_by_name("n", job.batch)
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(job.stem + ".onnx", options, providers=["CPUExecutionProvider"])
        self.note = "its kernels cannot be held to AVX2" if job.isa else ""

    def features(self, x):
        self.x = x
        return self.session.run(None, {"x": x})[0]

    def step(self):
        self.session.run(None, {"x": self.x})
        return len(self.x)


load = Peer
