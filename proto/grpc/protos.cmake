# Public protocols in our own words, for both sides: health checking, server reflection, error details.
# Paths of the sources and of their imports are relative to proto/, one level up, where
# estiba_proto_library() stands; hence include() and not add_subdirectory().
estiba_proto_library(estiba_grpc_proto
  grpc/health/v1/health.proto
  grpc/reflection/v1/reflection.proto
  grpc/reflection/v1alpha/reflection.proto
  estiba/status/status.proto)
